"""Subscribes over a stream of the sidecar's own, through the published Python client, and prints what it has done."""

import threading

from dapr.clients import DaprClient
from dapr.clients.grpc._response import TopicEventResponse

done = []

with DaprClient() as client:
    subscription = client.subscribe("pubsub", "streamed")
    for data in ["one", "two"]:
        client.publish_event("pubsub", "streamed", data, data_content_type="text/plain")
    seen, retried = [], False
    while sorted(seen) != ["one", "two"]:
        message = subscription.next_message()
        assert message.topic() == "streamed" and message.pubsub_name() == "pubsub"
        assert message.data_content_type() == "text/plain", message.data_content_type()
        if message.data() == "two" and not retried:
            retried = True
            subscription.respond_retry(message)
            continue
        subscription.respond_success(message)
        seen.append(message.data())
    assert retried
    subscription.close()
    done.append("events")

    # Where there are dead letters, what is dropped goes there, and what is to be retried at once, too.
    subscription = client.subscribe("pubsub", "failing", dead_letter_topic="dead")
    dead = client.subscribe("pubsub", "dead")
    for respond in [subscription.respond_drop, subscription.respond_retry]:
        client.publish_event("pubsub", "failing", "x", data_content_type="text/plain")
        respond(subscription.next_message())
        message = dead.next_message()
        assert message.data() == "x", message.data()
        dead.respond_success(message)
    subscription.close()
    dead.close()
    done.append("dead")

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
