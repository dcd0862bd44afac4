"""Savia's Lambda runtime for Python 3.9 to 3.14: /var/runtime/bootstrap.py inside the sandbox.

It speaks the Lambda Runtime API (2018-06-01) over a Unix socket that it inherits as fd 3, and sends the answer of one
invocation and the request for the next in a single write. With --pool it is a started runtime without a function: it asks
GET /savia/adopt and waits for the environment of the function that it becomes.

Handler resolution, error payloads, context and logging follow AWS's own runtime interface client for Python.
"""

import json
import os
import socket
import struct
import sys
import time

API = "/2018-06-01/runtime/"
NEXT = b"GET " + API.encode() + b"invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n"
NO_BREAK_SPACE = "\u00a0"

_LEVELS = {"TRACE": 1, "DEBUG": 2, "INFO": 3, "WARN": 4, "WARNING": 4, "ERROR": 5, "FATAL": 6, "CRITICAL": 6}


# ---------------------------------------------------------------------------------------------------------- connection


class Connection:
    def __init__(self, fd):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd)
        self._socket.setblocking(True)
        os.set_inheritable(fd, False)
        self._buffer = b""

    def send(self, data):
        self._socket.sendall(data)

    def _fill(self):
        data = self._socket.recv(65536)
        if not data:
            os._exit(0)  # the platform has gone
        self._buffer += data

    def answer(self):
        """The next answer with status 200; "202 Accepted" needs no one."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                self._fill()
                continue
            lines = self._buffer[:end].decode("latin-1").split("\r\n")
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            length = int(headers.get("content-length", 0))
            while len(self._buffer) < end + 4 + length:
                self._fill()
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            if lines[0].startswith("HTTP/1.1 200"):
                return headers, body

    def post(self, target, body, extra="", after=b""):
        head = "POST %s HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (
            target,
            extra,
            len(body),
        )
        self.send(head.encode("latin-1") + body + after)


# -------------------------------------------------------------------------------------------------------------- errors


def _error_type(name):
    return "".join(c if "!" <= c <= "~" else "?" for c in str(name))


class Fault(Exception):
    """A failure that has its error type from the platform, not from a Python class."""

    def __init__(self, kind, message, trace=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


def payload_of(exception, request_id, skip_frames=0):
    import traceback

    if isinstance(exception, Fault):
        return {"errorMessage": exception.message, "errorType": exception.kind, "requestId": request_id, "stackTrace": exception.trace}
    frames = traceback.extract_tb(exception.__traceback__)
    frames = [f for f in frames if f.filename != __file__][skip_frames:]
    if isinstance(exception, KeyboardInterrupt):
        frames = []
    return {
        "errorMessage": str(exception),
        "errorType": type(exception).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames),
    }


def log_error(payload, request_id):
    message, kind, trace = payload["errorMessage"], payload["errorType"], payload["stackTrace"]
    if Log.json:
        Log.frame(
            json.dumps(
                {
                    "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "log_level": "ERROR",
                    "errorMessage": message,
                    "errorType": kind,
                    "requestId": request_id,
                    "stackTrace": trace,
                },
                ensure_ascii=False,
            ),
            "ERROR",
        )
        return
    text = "[ERROR] " + (kind + ": " if kind else "") + message
    if trace:
        text += "\nTraceback (most recent call last):\n"
        lines = "".join(trace).rstrip("\n").split("\n")
        text += "\n".join(NO_BREAK_SPACE * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ") for line in lines)
    Log.frame(text, "ERROR")


# ------------------------------------------------------------------------------------------------------------- logging


class Log:
    """One record is one log event, however many lines it has: frames of the telemetry format on stdout."""

    json = False
    request_id = ""

    @staticmethod
    def frame(text, level="INFO"):
        data = text.encode("utf-8", "replace")
        sys.stdout.flush()
        kind = (0xA55A0002 if Log.json else 0xA55A0003) | (_LEVELS.get(level, 3) << 2)
        data = struct.pack(">Iiq", kind, len(data), time.time_ns() // 1000) + data
        while data:
            try:
                data = data[os.write(1, data) :]
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                return


def set_up_logging():
    import logging

    class Handler(logging.Handler):
        def emit(self, record):
            try:
                Log.frame(self.format(record), record.levelname)
            except Exception:
                self.handleError(record)

    class RequestFilter(logging.Filter):
        def filter(self, record):
            record.aws_request_id = Log.request_id
            return True

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            known = logging.LogRecord("", 0, "", 0, "", (), None).__dict__
            line = {
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
                "level": record.levelname,
                "message": record.getMessage(),
                "logger": record.name,
                "requestId": record.aws_request_id,
            }
            for name, value in record.__dict__.items():
                if name not in known and name not in ("aws_request_id", "message", "asctime"):
                    line[name] = value
            if record.exc_info:
                kind, value, trace = record.exc_info
                import traceback

                line["stackTrace"] = traceback.format_list(traceback.extract_tb(trace)) if trace else []
                line["errorType"] = kind.__name__ if kind else None
                line["errorMessage"] = str(value)
                line["location"] = "%s:%s:%d" % (record.pathname, record.funcName, record.lineno)
            return json.dumps(line, default=str, ensure_ascii=False)

    Log.json = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler = Handler()
    handler.addFilter(RequestFilter())
    if Log.json:
        handler.setFormatter(JsonFormatter())
    else:
        formatter = logging.Formatter("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    if Log.json:
        level = {"TRACE": "DEBUG", "FATAL": "CRITICAL", "WARN": "WARNING"}
        wanted = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO").upper()
        root.setLevel(level.get(wanted, wanted if wanted in _LEVELS else "INFO"))


# ------------------------------------------------------------------------------------------------------------- context


class Client:
    __slots__ = ["installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"]


class ClientContext:
    __slots__ = ["custom", "env", "client"]


class CognitoIdentity:
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class LambdaContext:
    def __init__(self, headers):
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        self.identity = CognitoIdentity()
        identity = headers.get("lambda-runtime-cognito-identity")
        parsed = json.loads(identity.encode("latin-1").decode("utf-8")) if identity else {}
        self.identity.cognito_identity_id = parsed.get("cognitoIdentityId")
        self.identity.cognito_identity_pool_id = parsed.get("cognitoIdentityPoolId")
        self._epoch_deadline_time_in_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(self._epoch_deadline_time_in_ms - int(time.time() * 1000), 0)

    def log(self, message):
        Log.frame(str(message))

    def __repr__(self):
        names = (
            "aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version "
            "invoked_function_arn client_context identity tenant_id"
        ).split()
        return "LambdaContext([" + ",".join("%s=%s" % (name, getattr(self, name)) for name in names) + "])"


def _client_context(header):
    if not header:
        return None
    parsed = json.loads(header.encode("latin-1").decode("utf-8"))
    context = ClientContext()
    context.custom = parsed.get("custom")
    context.env = parsed.get("env")
    context.client = None
    if parsed.get("client") is not None:
        context.client = Client()
        for name in Client.__slots__:
            setattr(context.client, name, parsed["client"].get(name))
    return context


# ----------------------------------------------------------------------------------------------------- loading the code


def set_up_paths():
    root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    version = "python%d.%d" % sys.version_info[:2]
    # Right after the task itself come the layers, before the interpreter's own packages.
    here = os.path.dirname(os.path.abspath(__file__))
    rest = [p for p in sys.path if p not in (root, here, "")]
    extra = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p and p not in rest and p != here]
    sys.path[:] = [root, "/opt/python/lib/%s/site-packages" % version, "/opt/python"] + extra + [here] + rest
    os.chdir(root)


def load_handler(name):
    import importlib

    parts = name.rsplit(".", 1)
    if len(parts) != 2:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    module_name, function = parts
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, e)) from e
    except SyntaxError as e:
        trace = ['  File "%s" Line %s\n    %s' % (e.filename, e.lineno, e.text)]
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e), trace) from e
    try:
        return getattr(module, function)
    except AttributeError as e:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function, module_name)) from e


def to_json(value):
    """As AWS: decimals become numbers, everything else unknown is refused."""
    import decimal

    def other(item):
        if isinstance(item, decimal.Decimal):
            return int(item) if item == item.to_integral_value() else float(item)
        raise TypeError("Object of type %s is not JSON serializable" % type(item).__name__)

    return json.dumps(value, default=other, ensure_ascii=False)


# --------------------------------------------------------------------------------------------------------- invocations


def serve_one(connection, handler, headers, body):
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    Log.request_id = request_id
    trace = headers.get("lambda-runtime-trace-id")
    if trace:
        os.environ["_X_AMZN_TRACE_ID"] = trace
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    target = API + "invocation/" + request_id
    try:
        event = json.loads(body) if body else {}
        context = LambdaContext(headers)
        try:
            answer = handler(event, context)
        except TypeError:
            if callable(handler):
                raise
            raise Fault("Runtime.HandlerNotFound", "Handler is not callable") from None
        try:
            data = to_json(answer).encode("utf-8", "surrogatepass")
        except Exception as e:
            raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % e) from e
    except BaseException as e:
        if isinstance(e, SystemExit):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(e.code if isinstance(e.code, int) else (0 if e.code is None else 1))
        payload = payload_of(e, request_id)
        log_error(payload, request_id)
        data = to_json(payload).encode("utf-8", "replace")
        kind = "Lambda-Runtime-Function-Error-Type: %s\r\n" % _error_type(payload["errorType"])
        sys.stdout.flush()
        connection.post(target + "/error", data, kind, NEXT)
        return
    sys.stdout.flush()
    connection.post(target + "/response", data, "", NEXT)


def adopt(connection):
    connection.send(b"GET /savia/adopt HTTP/1.1\r\nHost: runtime\r\n\r\n")
    _, body = connection.answer()
    environment = json.loads(body)["env"]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def preload():
    # What web functions and AWS's own client import first.
    import base64, collections, datetime, decimal, functools, hashlib, hmac, http.client, importlib, io, logging  # noqa: F401,E401
    import ssl, threading, traceback, typing, urllib.parse, urllib.request, uuid  # noqa: F401,E401


def main():
    connection = Connection(3)
    if len(sys.argv) > 1 and sys.argv[1] == "--pool":
        preload()
        adopt(connection)
    sys.argv = ["/var/runtime/bootstrap.py"]
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    sys.stderr.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    set_up_logging()
    try:
        set_up_paths()
        handler = load_handler(os.environ.get("_HANDLER", ""))
    except BaseException as e:
        if isinstance(e, SystemExit):
            sys.stdout.flush()
            os._exit(e.code if isinstance(e.code, int) else (0 if e.code is None else 1))
        payload = payload_of(e, "")
        log_error(payload, "")
        data = to_json(payload).encode("utf-8", "replace")
        connection.post(API + "init/error", data, "Lambda-Runtime-Function-Error-Type: %s\r\n" % _error_type(payload["errorType"]))
        os._exit(1)
    connection.send(NEXT)
    while True:
        headers, body = connection.answer()
        serve_one(connection, handler, headers, body)


if __name__ == "__main__":
    main()
