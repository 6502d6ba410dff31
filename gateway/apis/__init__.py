"""The public APIs, one package each, all of one shape: routes, schema, service."""
