"""Device events of dojot: a consumer of Kafka, and a comparison with what device-manager lists."""
