"""An app that subscribes by Dapr's extension for Flask. It tells each event as a line of JSON."""

import json
import logging
import os

from dapr.ext.flask import DaprApp
from flask import Flask, request
from telling import tell

app = Flask("app")
dapr = DaprApp(app)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@dapr.subscribe(pubsub="pubsub", topic="plain")
def plain():
    assert request.content_type == "application/cloudevents+json", request.content_type
    tell(topic="plain", event=json.loads(request.data))
    return {"status": "SUCCESS"}


@app.post("/tick")
def tick():
    tell(binding="tick", data=request.data.decode())
    return ""


app.run(host="127.0.0.1", port=int(os.environ["APP_PORT"]))
