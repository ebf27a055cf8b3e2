"""What tests share: systems of real processes, devices, clients, proxies and conditions."""
