"""The contract as other languages read it: JSON Schema and AsyncAPI, made from the models."""
