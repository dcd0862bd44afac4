"""Random operations, kill -9, restart, comparison with what was acknowledged. The journal is this process's memory: it outlives
the server. Used by it_kill (10 cycles) and long_kill (200)."""
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from harness import ROLE, Server, make_zip

ZIPS = [make_zip({"index.js": f"exports.handler = async () => {i};\n"}) for i in range(4)]
LAYERS = [make_zip({"nodejs/node_modules/l/index.js": f"module.exports = {i};\n"}) for i in range(4)]


class Worker(threading.Thread):
    """Does random operations on things of its own and knows what was acknowledged."""

    def __init__(self, server, name, seed):
        super().__init__(daemon=True)
        self.server, self.tag, self.random = server, name, random.Random(seed)
        self.functions = {}   # name -> {"description": …, "sha": index, "memory": …}
        self.layers = {}      # name -> newest version
        self.rest = {}        # id -> name
        self.http = {}        # id -> name
        self.groups = {}      # name -> retention or None
        self.events = {}      # name -> messages
        self.unsure = set()   # ("function", name): what an unanswered operation touched
        self.done = 0
        self.problems = []
        self.stopping = threading.Event()
        # Made before the race: a boto3 client takes longer to make than most cycles last.
        self.clients = {s: server.client(s) for s in ("lambda", "apigateway", "apigatewayv2", "logs")}

    def run(self):
        clients = self.clients
        while not self.stopping.is_set():
            touched = []
            try:
                self.random.choice([self.create_function, self.update_function, self.delete_function, self.publish_layer, self.create_rest, self.delete_rest, self.create_http, self.create_group, self.put_events])(clients, touched)
                self.done += 1
            except ClientError as e:
                status = e.response["ResponseMetadata"]["HTTPStatusCode"]
                self.problems.append(f"{self.tag}: {e} ({status})")
                return
            except (BotoCoreError, OSError, ValueError):
                self.unsure.update(touched)
                return

    def new(self, kind):
        return f"{self.tag}-{kind}{self.random.randrange(10**9)}"

    def create_function(self, c, touched):
        name, i = self.new("f"), self.random.randrange(4)
        touched.append(("function", name))
        c["lambda"].create_function(FunctionName=name, Runtime="nodejs22.x", Role=ROLE, Handler="index.handler", Code={"ZipFile": ZIPS[i]}, Description="new", MemorySize=128)
        self.functions[name] = {"Description": "new", "MemorySize": 128}

    def update_function(self, c, touched):
        if not self.functions:
            return
        name = self.random.choice(list(self.functions))
        touched.append(("function", name))
        change = {"Description": f"d{self.random.randrange(1000)}", "MemorySize": 128 + self.random.randrange(100)}
        c["lambda"].update_function_configuration(FunctionName=name, **change)
        self.functions[name] = change

    def delete_function(self, c, touched):
        if len(self.functions) < 4:
            return
        name = self.random.choice(list(self.functions))
        touched.append(("function", name))
        c["lambda"].delete_function(FunctionName=name)
        del self.functions[name]

    def publish_layer(self, c, touched):
        name = self.random.choice([f"{self.tag}-la", f"{self.tag}-lb"])
        touched.append(("layer", name))
        self.layers[name] = c["lambda"].publish_layer_version(LayerName=name, Content={"ZipFile": LAYERS[self.random.randrange(4)]})["Version"]

    def create_rest(self, c, touched):
        name = self.new("r")
        touched.append(("rest", name))
        self.rest[c["apigateway"].create_rest_api(name=name)["id"]] = name

    def delete_rest(self, c, touched):
        if len(self.rest) < 3:
            return
        api = self.random.choice(list(self.rest))
        touched.append(("rest", self.rest[api]))
        c["apigateway"].delete_rest_api(restApiId=api)
        del self.rest[api]

    def create_http(self, c, touched):
        name = self.new("h")
        touched.append(("http", name))
        self.http[c["apigatewayv2"].create_api(Name=name, ProtocolType="HTTP")["ApiId"]] = name

    def create_group(self, c, touched):
        name = self.new("g")
        touched.append(("group", name))
        c["logs"].create_log_group(logGroupName=name)
        c["logs"].create_log_stream(logGroupName=name, logStreamName="s")
        self.groups[name] = None
        self.events[name] = []

    def put_events(self, c, touched):
        if not self.groups:
            return
        name = self.random.choice(list(self.groups))
        touched.append(("group", name))
        message = f"m{self.random.randrange(10**9)}"
        c["logs"].put_log_events(logGroupName=name, logStreamName="s", logEvents=[{"timestamp": int(time.time() * 1000), "message": message}])
        self.events[name].append(message)

    def verify(self, seen):
        """What the server knows after the restart against the journal."""
        bad = self.problems
        for name, wanted in self.functions.items():
            if ("function", name) in self.unsure:
                continue
            have = seen["functions"].get(name)
            if have is None or any(have[k] != v for k, v in wanted.items()):
                bad.append(f"function {name}: {wanted} became {have and {k: have[k] for k in wanted}}")
        for name in seen["functions"]:
            if name.startswith(self.tag + "-") and name not in self.functions and ("function", name) not in self.unsure:
                bad.append(f"function {name} came back")
        for name, version in self.layers.items():
            have = seen["layers"].get(name, 0)
            if have != version and not (("layer", name) in self.unsure and have in (version, version + 1)):
                bad.append(f"layer {name}: {version} became {have}")
        for kind, wanted in (("rest", self.rest), ("http", self.http)):
            for api, name in wanted.items():
                if (kind, name) not in self.unsure and seen[kind].get(api) != name:
                    bad.append(f"{kind} api {api} {name} is gone")
            for api, name in seen[kind].items():
                if name.startswith(self.tag + "-") and api not in wanted and (kind, name) not in self.unsure:
                    bad.append(f"{kind} api {api} {name} came back")
        for name in self.groups:
            if name not in seen["groups"]:
                if ("group", name) not in self.unsure:
                    bad.append(f"log group {name} is gone")
                continue
            missing = [m for m in self.events[name] if m not in seen["events"](name)]
            if missing:
                bad.append(f"log group {name}: lost {missing[:3]}")
        return bad


def all_pages(call, key, token_in, token_out, **arguments):
    out = []
    while True:
        page = call(**arguments)
        out += page.get(key, [])
        if not page.get(token_out):
            return out
        arguments[token_in] = page[token_out]


def look(server):
    lam, v1, v2, logs = (server.client(s) for s in ("lambda", "apigateway", "apigatewayv2", "logs"))

    def events(group):
        return [e["message"] for e in all_pages(logs.filter_log_events, "events", "nextToken", "nextToken", logGroupName=group)]

    return {
        "functions": {f["FunctionName"]: f for f in all_pages(lam.list_functions, "Functions", "Marker", "NextMarker")},
        "layers": {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for layer in all_pages(lam.list_layers, "Layers", "Marker", "NextMarker")},
        "rest": {a["id"]: a["name"] for a in all_pages(v1.get_rest_apis, "items", "position", "position", limit=500)},
        "http": {a["ApiId"]: a["Name"] for a in all_pages(v2.get_apis, "Items", "NextToken", "NextToken")},
        "groups": {g["logGroupName"] for g in all_pages(logs.describe_log_groups, "logGroups", "nextToken", "nextToken")},
        "events": events,
    }


def run_cycles(cycles, seed, workers=3):
    """Answers (operations acknowledged, list of differences)."""
    rng = random.Random(seed)
    server = Server("--pool", "0")
    journal = [Worker(server, f"w{i}", rng.random()) for i in range(workers)]
    total, bad = 0, []
    try:
        for cycle in range(cycles):
            for w in journal:
                w.start()
            time.sleep(rng.uniform(0.05, 0.6))
            server.kill()
            for w in journal:
                w.join(30)
            server.start()
            seen = look(server)
            for w in journal:
                bad += [f"cycle {cycle}: {b}" for b in w.verify(seen)]
            total += sum(w.done for w in journal)
            if bad:
                break
            # The next round goes on with what there is; names are new, so that nothing is unsure any more.
            journal = [Worker(server, f"c{cycle}w{i}", rng.random()) for i in range(workers)]
        return total, bad
    finally:
        server.close()
