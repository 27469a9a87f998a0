"""Configuration: the settings, the connection to Kafka made from them, and the topics."""
