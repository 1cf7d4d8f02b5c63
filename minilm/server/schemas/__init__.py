"""Requests and answers, one module per protocol: the OpenAPI document is made from these types."""
