"""Events of brokers, taken into the journal: Redis Streams, NATS JetStream and Kafka, through `faststream`."""
