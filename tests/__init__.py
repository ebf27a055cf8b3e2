"""The claims that this project makes, checked against a real MongoDB and a real RabbitMQ."""
