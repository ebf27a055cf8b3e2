"""What puts the services on a machine: images, compose, Kubernetes, and `make run-all`."""
