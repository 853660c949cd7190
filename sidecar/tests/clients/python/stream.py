"""Subscribes over a stream of the sidecar's own, through the published Python client, and prints what it has done."""

import threading

from dapr.clients import DaprClient
from dapr.clients.grpc._response import TopicEventResponse

done = []

with DaprClient() as client:
    subscription = client.subscribe("pubsub", "streamed", dead_letter_topic="streamed-dead")
    dead = client.subscribe("pubsub", "streamed-dead")
    for data in ["one", "two", "drop"]:
        client.publish_event("pubsub", "streamed", data, data_content_type="text/plain")
    seen, retried = [], False
    while sorted(seen) != ["drop", "one", "two"]:
        message = subscription.next_message()
        assert message.topic() == "streamed" and message.pubsub_name() == "pubsub"
        assert message.data_content_type() == "text/plain", message.data_content_type()
        if message.data() == "drop":
            subscription.respond_drop(message)
        elif message.data() == "two" and not retried:
            retried = True
            subscription.respond_retry(message)
            continue
        else:
            subscription.respond_success(message)
        seen.append(message.data())
    assert retried
    done.append("events")
    message = dead.next_message()
    assert message.data() == "drop", message.data()
    dead.respond_success(message)
    done.append("dead")
    subscription.close()
    dead.close()

    heard = threading.Event()

    def handle(message):
        assert message.data() == {"id": 1}, message.data()
        heard.set()
        return TopicEventResponse("success")

    close = client.subscribe_with_handler("pubsub", "handled", handle)
    client.publish_event("pubsub", "handled", '{"id": 1}', data_content_type="application/json")
    assert heard.wait(60)
    close()
    done.append("handler")

print(*done)
