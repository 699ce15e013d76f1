"""Apache Kafka for tests and for trying Xiaona out: its own jars, one broker or three on loopback, plain or secured."""
