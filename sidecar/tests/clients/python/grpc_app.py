"""An app that subscribes, and is called, over gRPC, by Dapr's own App for Python. It tells each event as a line of
JSON."""

import json
import os

import telling
from dapr.clients.grpc._response import TopicEventResponse
from dapr.ext.grpc import App, BindingRequest, InvokeMethodRequest, InvokeMethodResponse, Rule, SubscriptionMessage

app = App()
attempts = {}


def tell(topic, event):
    what = {
        "id": event.id(),
        "source": event.source(),
        "type": event.type(),
        "datacontenttype": event.data_content_type(),
        "topic": event.topic(),
        "pubsubname": event.pubsub_name(),
        "data": event.data(),
        "extensions": event.extensions(),
    }
    if isinstance(what["data"], bytes):
        what["data"] = what["data"].decode()
    telling.tell(topic=topic, event=what)


@app.subscribe(pubsub_name="pubsub", topic="plain")
def plain(event: SubscriptionMessage) -> None:
    tell("plain", event)


@app.subscribe(pubsub_name="pubsub", topic="routed", dead_letter_topic="dead")
def routed(event: SubscriptionMessage) -> TopicEventResponse:
    tell("routed", event)
    return TopicEventResponse(event.data().lower())


@app.subscribe(pubsub_name="pubsub", topic="retried")
def retried(event: SubscriptionMessage) -> TopicEventResponse:
    tell("retried", event)
    attempts[event.id()] = attempts.get(event.id(), 0) + 1
    return TopicEventResponse("retry" if attempts[event.id()] < 3 else "success")


@app.subscribe(pubsub_name="pubsub", topic="dead")
def dead(event: SubscriptionMessage) -> TopicEventResponse:
    tell("dead", event)
    return TopicEventResponse("success")


@app.subscribe(pubsub_name="pubsub", topic="ruled", rule=Rule('event.type == "important"', 1))
def ruled_important(event: SubscriptionMessage) -> None:
    tell("by rule", event)


@app.binding("tick")
def tick(request: BindingRequest) -> None:
    telling.tell(binding="tick", data=request.text())


@app.method(name="echo")
def echo(request: InvokeMethodRequest) -> InvokeMethodResponse:
    said = {"method": "echo", "body": request.text()}
    return InvokeMethodResponse(json.dumps(said), "application/json")


@app.method(name="bytes")
def reverse(request: InvokeMethodRequest) -> InvokeMethodResponse:
    return InvokeMethodResponse(request.data[::-1], "application/octet-stream")


@app.method(name="refuse")
def refuse(request: InvokeMethodRequest) -> InvokeMethodResponse:
    raise PermissionError("refused")


app.run(int(os.environ["APP_PORT"]), listen_address="127.0.0.1")
