"""Publishes through the published Python client, and prints what it has done."""

import json

from dapr.clients import DaprClient

done = []

with DaprClient() as client:
    client.publish_event("pubsub", "plain", "Hello, world!", data_content_type="text/plain")
    client.publish_event("pubsub", "plain", json.dumps({"id": 1}), data_content_type="application/json")
    client.publish_event(
        "pubsub",
        "plain",
        json.dumps({"specversion": "1.0", "id": "my-id", "type": "com.foo.bar", "source": "here", "data": {"id": 2}}),
        data_content_type="application/cloudevents+json",
    )
    client.publish_event(
        "pubsub",
        "plain",
        "x",
        data_content_type="text/plain",
        publish_metadata={"cloudevent.id": "named", "cloudevent.type": "important", "ttlInSeconds": "60"},
    )
    done.append("publish")

    response = client.publish_events("pubsub", "plain", ["one", "two"], data_content_type="text/plain")
    assert not response.failed_entries, response.failed_entries
    done.append("bulk")

    try:
        client.publish_event("nowhere", "plain", "x")
    except Exception as error:
        assert "pubsub nowhere is not found" in str(error), error
        done.append("failure")

print(*done)
