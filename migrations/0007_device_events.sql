-- The last event of each kind that came for a device, so that one which comes twice or late changes nothing. dojot spreads
-- a device's events over the partitions of a topic, and Kafka keeps no order between partitions.

CREATE TABLE device_events (
    username        TEXT NOT NULL,     -- of an end entity, or of one that was removed before it was known
    change          TEXT NOT NULL,     -- create, update, remove
    topic           TEXT NOT NULL,
    topic_partition INTEGER NOT NULL,
    topic_offset    INTEGER NOT NULL,
    sent_at         INTEGER,           -- milliseconds since 1970; NULL where the broker keeps no times
    PRIMARY KEY (username, change)
);
