"""An app that subscribes, and is called, by Dapr's extension for FastAPI. It tells each event as a line of JSON."""

import os

import uvicorn
from dapr.ext.fastapi import DaprApp
from fastapi import Body, FastAPI, Request, Response
from telling import tell

app = FastAPI()
dapr = DaprApp(app)
attempts = {}


@dapr.subscribe(pubsub="pubsub", topic="plain")
def plain(event=Body()):
    tell(topic="plain", event=event)


@dapr.subscribe(pubsub="pubsub", topic="routed", route="/somewhere", dead_letter_topic="dead")
def routed(event=Body()):
    tell(topic="routed", event=event)
    return {"status": event["data"]}


@dapr.subscribe(pubsub="pubsub", topic="retried")
def retried(event=Body()):
    tell(topic="retried", event=event)
    attempts[event["id"]] = attempts.get(event["id"], 0) + 1
    return {"status": "RETRY" if attempts[event["id"]] < 3 else "SUCCESS"}


@dapr.subscribe(pubsub="pubsub", topic="dead")
def dead(event=Body()):
    tell(topic="dead", event=event)
    return {"status": "SUCCESS"}


@app.post("/tick")
async def tick(request: Request):
    tell(binding="tick", data=(await request.body()).decode())


@app.api_route("/echo", methods=["GET", "POST", "PUT"])
async def echo(request: Request):
    body = (await request.body()).decode()
    return {
        "method": request.method,
        "query": dict(request.query_params),
        "body": body,
        "caller": request.headers.get("dapr-caller-app-id"),
    }


@app.post("/bytes")
async def reverse(request: Request):
    return Response((await request.body())[::-1], media_type="application/octet-stream")


@app.post("/refuse")
def refuse():
    return Response('{"message":"refused"}', status_code=403, media_type="application/json")


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["APP_PORT"]), log_level="error")
