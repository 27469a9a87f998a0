"""What an operator sees of the service: metrics, health, status, logs."""
