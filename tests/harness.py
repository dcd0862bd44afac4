"""A Savia of its own for a test: free ports, an empty data folder, ended with the test. Clients are AWS's own."""
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAVIA = os.environ.get("SAVIA_BINARY", str(ROOT / "build/savia"))
AWS = os.environ.get("SAVIA_TEST_AWS", "/usr/bin/aws")
RUNTIMES = ROOT / ".cache/runtimes"
ROLE = "arn:aws:iam::000000000000:role/test-role"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, *flags, data=None, auth="verify", env=None, prefix=()):
        self.data = data or tempfile.mkdtemp(prefix="savia-test-")
        self.owns_data = data is None
        self.port, self.edge_port = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.flags = ["--data", self.data, "--listen", f"127.0.0.1:{self.port}", "--edge", f"127.0.0.1:{self.edge_port}", "--auth", auth, "--runtimes", str(RUNTIMES), *flags]
        self.env = dict({k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAVIA_"))}, LANG="C.UTF-8", **(env or {}))
        self.prefix = list(prefix)
        self.process = None
        self.start()

    def start(self):
        self.log = open(os.path.join(self.data, "..", os.path.basename(self.data) + ".log"), "ab")
        self.process = subprocess.Popen([*self.prefix, SAVIA, "serve", *self.flags], env=self.env, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            try:
                status, _ = self.request("GET", "/_savia/health")
                if status == 200:
                    return self
            except OSError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError("savia did not start:\n" + self.log_text()[-3000:])
            time.sleep(0.005)
        raise RuntimeError("savia does not answer:\n" + self.log_text()[-3000:])

    def log_text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            if self.process.returncode != 0:
                raise AssertionError(f"savia ended with {self.process.returncode}:\n" + self.log_text()[-2000:])
        self.log.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def close(self):
        self.stop()
        if self.owns_data:
            shutil.rmtree(self.data, ignore_errors=True)
            pathlib.Path(self.log.name).unlink(missing_ok=True)

    def request(self, method, path, body=None, headers=None, port=None, timeout=40):
        c = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def edge(self, api_id, path, method="GET", body=None, headers=None, timeout=40):
        """A request to a deployed API: status, headers (list of pairs), body."""
        c = http.client.HTTPConnection("127.0.0.1", self.edge_port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers={"Host": f"{api_id}.execute-api.localhost:{self.edge_port}", **(headers or {})})
            r = c.getresponse()
            return r.status, r.getheaders(), r.read()
        finally:
            c.close()

    def client(self, service, region="us-east-1", key="test", secret="test", **config):
        import boto3
        from botocore.config import Config
        session = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
        by_option = {} if os.environ.get("SAVIA_TEST_ENDPOINT_BY") == "environment" else {"endpoint_url": self.endpoint}
        if not by_option:
            os.environ["AWS_ENDPOINT_URL"] = self.endpoint
        return session.client(service, config=Config(retries={"max_attempts": 0}, read_timeout=60, **config), **by_option)

    def aws(self, *arguments, check=True, region="us-east-1", raw=False):
        """The aws command line; its JSON, or its text with raw."""
        env = dict({k: v for k, v in os.environ.items() if not k.startswith("AWS_")}, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION=region, AWS_PAGER="", AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true")
        command = [AWS]
        if os.environ.get("SAVIA_TEST_ENDPOINT_BY") == "environment":
            env["AWS_ENDPOINT_URL"] = self.endpoint
        else:
            command += ["--endpoint-url", self.endpoint]
        done = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, timeout=120)
        if not check:
            return done
        if done.returncode != 0:
            raise AssertionError(f"aws {' '.join(arguments)}: {done.stderr}")
        return done.stdout if raw or not done.stdout.strip() else json.loads(done.stdout)

    def savia(self, *arguments, check=True, env=None):
        full = {**self.env, "SAVIA_ENDPOINT": self.endpoint, **(env or {})}
        done = subprocess.run([SAVIA, *arguments], env=full, capture_output=True, text=True, timeout=300)
        if check and done.returncode != 0:
            raise AssertionError(f"savia {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done


def make_zip(files, mode=0o644):
    """A zip of {name: text or bytes}."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = (0o755 if name == "bootstrap" else mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(info, content)
    return out.getvalue()


ECHO = "exports.handler = async (event, context) => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ event, name: context.functionName }) });\n"


def create_function(client, name, code, runtime="nodejs22.x", handler="index.handler", **more):
    answer = client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler, Code={"ZipFile": make_zip(code) if isinstance(code, dict) else code}, **more)
    client.get_waiter("function_active_v2" if "function_active_v2" in client.waiter_names else "function_active").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return answer


def invoke(client, name, payload=None, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(payload if payload is not None else {}), **more)
    body = answer["Payload"].read()
    return answer, json.loads(body) if body else None


class ServerTest(unittest.TestCase):
    """One server for all tests of a class; flags in `flags`, mode in `auth`."""
    flags = ()
    auth = "verify"

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.flags, auth=cls.auth)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
