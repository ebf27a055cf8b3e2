"""MongoDB and RabbitMQ for one machine: what runs already, a server of our own, or a container."""
