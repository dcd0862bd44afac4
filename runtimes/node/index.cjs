'use strict';
// Savia's Lambda runtime for Node.js 18 to 24: /var/runtime/index.cjs inside the sandbox.
//
// It speaks the Lambda Runtime API (2018-06-01) as any runtime does, but over a Unix socket that it inherits as fd 3 instead
// of TCP, and it sends the answer of one invocation and the request for the next in a single write. The platform holds back
// its "202" until the next event, so that one invocation costs this process one read and one write.
//
// Two ways to begin:
//   node index.cjs            the function's environment is already in process.env and its code in /var/task
//   node index.cjs --pool     a started runtime without a function: loads what nearly every function needs, asks
//                             GET /savia/adopt and waits; the answer carries the environment of the function it becomes
//
// What the function sees (handler kinds, context, error payloads, console lines) follows AWS's own runtime interface client:
// version 3 up to Node 22, version 4 (no callbacks) from Node 24 on.

const fs = require('fs');
const net = require('net');
const path = require('path');
const { format } = require('util');
const Module = require('module');

const API = '/2018-06-01/runtime/';
const CONTROL_FD = 3;
const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
const CALLBACKS = NODE_MAJOR < 24; // callback handlers and context.done() ended with Node 24
const NO_REQUEST = CALLBACKS ? 'undefined' : '-'; // what console lines outside of an invocation carry as request id

// The originals, since the function may replace anything global.
const { parse, stringify } = JSON;
const now = Date.now;
const exit = process.exit.bind(process);
const nextTick = process.nextTick.bind(process);

// ---------------------------------------------------------------------------------------------------------- connection

let socket;
let pending = Buffer.alloc(0); // bytes of an answer that is not complete
let onAnswer; // takes one answer with status 200; "202 Accepted" needs no one

function connect() {
  const chunk = Buffer.allocUnsafeSlow(64 * 1024);
  socket = new net.Socket({
    fd: CONTROL_FD,
    readable: true,
    writable: true,
    onread: {
      buffer: chunk,
      callback(size) {
        receive(chunk.subarray(0, size));
        return true;
      },
    },
  });
  // The platform has gone, and with it every reason to live.
  socket.on('end', () => exit(0));
  socket.on('error', () => exit(0));
  socket.resume();
}

function receive(bytes) {
  if (pending.length > 0) bytes = Buffer.concat([pending, bytes]);
  let at = 0;
  for (;;) {
    const headEnd = bytes.indexOf('\r\n\r\n', at, 'latin1');
    if (headEnd < 0) break;
    const lines = bytes.latin1Slice(at, headEnd).split('\r\n');
    const headers = {};
    for (let i = 1; i < lines.length; i++) {
      const colon = lines[i].indexOf(':');
      headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
    }
    const bodyAt = headEnd + 4;
    const length = Number(headers['content-length'] || 0);
    if (bytes.length - bodyAt < length) break;
    const body = length > 0 ? bytes.utf8Slice(bodyAt, bodyAt + length) : '';
    at = bodyAt + length;
    if (lines[0].startsWith('HTTP/1.1 200')) onAnswer(headers, body);
  }
  pending = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
}

const NEXT = `GET ${API}invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n`;

function post(target, body, extraHeaders, after, then) {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  const head = `POST ${target} HTTP/1.1\r\nHost: runtime\r\nContent-Type: application/json\r\n${extraHeaders}Content-Length: ${length}\r\n\r\n`;
  if (typeof body === 'string') {
    socket.write(head + body + after, then);
  } else {
    socket.cork();
    socket.write(head);
    socket.write(body);
    socket.write(after, then);
    socket.uncork();
  }
}

// ------------------------------------------------------------------------------------------------------------- logging

// One console call is one log event, however many lines it has. The platform takes frames of the telemetry format on stdout:
//   u32 type and level, i32 length, i64 microseconds, all big-endian, then the message.
// The first byte of a frame (0xa5) begins no UTF-8 text, so frames and plain output share the pipe.
const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
let requestId = NO_REQUEST;
let jsonLogs = false;
let lowestLevel = LEVELS.TRACE;

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

function writeFrame(level, message) {
  const length = Buffer.byteLength(message);
  const frame = Buffer.allocUnsafe(16 + length);
  frame.writeUInt32BE(((jsonLogs ? 0xa55a0002 : 0xa55a0003) | (LEVELS[level] << 2)) >>> 0, 0);
  frame.writeInt32BE(length, 4);
  frame.writeBigInt64BE(BigInt(now()) * 1000n, 8);
  frame.utf8Write(message, 16);
  let at = 0;
  while (at < frame.length) {
    try {
      at += fs.writeSync(1, frame, at);
    } catch (e) {
      if (e.code !== 'EAGAIN') return; // nobody reads any more
      Atomics.wait(sleepCell, 0, 0, 1);
    }
  }
}

function jsonErrors(_key, value) {
  if (!(value instanceof Error)) return value;
  return Object.assign(
    {
      errorType: value.constructor && value.constructor.name ? value.constructor.name : 'UnknownError',
      errorMessage: value.message,
      stackTrace: typeof value.stack === 'string' ? value.stack.split('\n') : value.stack,
    },
    value,
  );
}

function jsonLine(level, message, params) {
  const line = { timestamp: new Date().toISOString(), level, requestId };
  if (params.length === 0) {
    line.message = message;
    try {
      return stringify(line, jsonErrors);
    } catch {
      line.message = format(message);
      return stringify(line);
    }
  }
  line.message = format(message, ...params);
  const error = params.find((p) => p instanceof Error);
  if (error) {
    line.errorType = error.constructor && error.constructor.name ? error.constructor.name : 'UnknownError';
    line.errorMessage = error.message;
    line.stackTrace = typeof error.stack === 'string' ? error.stack.split('\n') : [];
  }
  return stringify(line);
}

function log(level, message, ...params) {
  if (LEVELS[level] < lowestLevel) return;
  if (jsonLogs) writeFrame(level, jsonLine(level, message, params));
  else writeFrame(level, `${new Date().toISOString()}\t${requestId}\t${level}\t${format(message, ...params)}`);
}

function patchConsole() {
  jsonLogs = (process.env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';
  lowestLevel = LEVELS[(process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()] || LEVELS.TRACE;
  console.trace = log.bind(null, 'TRACE');
  console.debug = log.bind(null, 'DEBUG');
  console.info = log.bind(null, 'INFO');
  console.log = console.info;
  console.warn = log.bind(null, 'WARN');
  console.error = log.bind(null, 'ERROR');
  console.fatal = log.bind(null, 'FATAL');
}

function logFailure(what, error) {
  const asError = error instanceof Error ? error : new Error(String(error));
  if (jsonLogs) return log('ERROR', asError);
  let text;
  try {
    text = stringify(asError, (_k, v) => {
      if (!(v instanceof Error)) return v;
      const shown = Object.assign({ errorType: v.name, errorMessage: v.message, code: v.code }, v);
      if (typeof v.stack === 'string') shown.stack = v.stack.split('\n');
      return shown;
    });
  } catch {
    text = stringify(errorPayload(asError));
  }
  log('ERROR', `${what} \t${text}`);
}

// -------------------------------------------------------------------------------------------------------------- errors

class RuntimeError extends Error {
  constructor(name, message) {
    super(message);
    Object.defineProperty(this, 'name', { value: name, configurable: true, writable: true });
  }
}

function errorPayload(error) {
  try {
    if (error instanceof Error || (error && typeof error === 'object' && typeof error.stack === 'string')) {
      const clean = (s) => (typeof s === 'string' ? s.replace(/\x7F/g, '%7F') : s);
      return {
        errorType: clean(error.name),
        errorMessage: clean(error.message),
        trace: typeof error.stack === 'string' ? clean(error.stack).split('\n') : [],
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
      trace: [],
    };
  }
}

function postError(target, error, after, then) {
  const payload = errorPayload(error);
  const type = String(payload.errorType).replace(/[^\x21-\x7e]/g, '?');
  post(target, stringify(payload), `Lambda-Runtime-Function-Error-Type: ${type}\r\n`, after, then);
}

function installLastResorts() {
  const die = (what, error, code) => {
    logFailure(what, error);
    const target = current ? `${API}invocation/${current.id}/error` : initialised ? null : `${API}init/error`;
    if (current) current.over = true;
    current = null;
    if (target) postError(target, error, '', () => exit(code));
    else exit(code);
  };
  process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
  process.on('unhandledRejection', (reason, promise) => {
    const error = new RuntimeError('Runtime.UnhandledPromiseRejection', reason instanceof Error ? String(reason) : String(reason));
    error.reason = reason;
    error.promise = promise;
    die('Unhandled Promise Rejection', error, 128);
  });
  // A handler that only calls back ends when nothing is left to do; one that never calls back has answered null.
  process.on('beforeExit', () => {
    const idle = whenLoopIsEmpty;
    whenLoopIsEmpty = null;
    if (idle) idle();
  });
}

// ----------------------------------------------------------------------------------------------------- loading the code

// `require` finds layers by NODE_PATH; `import` does not look there. These hooks make it, after everything else has failed.
function layerFolders() {
  return (process.env.NODE_PATH || '').split(':').filter((folder) => folder && fs.existsSync(folder));
}

function hookImports(handlerIsModule) {
  const folders = layerFolders();
  if (folders.length === 0) return;
  if (typeof Module.registerHooks === 'function') {
    const { pathToFileURL } = require('url');
    Module.registerHooks({
      resolve(specifier, context, next) {
        try {
          return next(specifier, context);
        } catch (error) {
          if (error.code !== 'ERR_MODULE_NOT_FOUND' || /^[./]|^[a-z][a-z0-9+.-]+:/i.test(specifier)) throw error;
          for (const folder of folders) {
            try {
              return next(specifier, { ...context, parentURL: pathToFileURL(`${path.dirname(folder)}/savia-import.mjs`).href });
            } catch {
              // not in this one
            }
          }
          throw error;
        }
      },
    });
  } else if (typeof Module.register === 'function' && handlerIsModule) {
    // The hooks of Node 18 and 20 run on a thread of their own, which costs tens of milliseconds: only functions that are
    // ES modules and have layers pay for it.
    Module.register('file:///var/runtime/import_hooks.mjs', { data: { folders } });
  }
}

// Whether Node would take a .js file for an ES module: by the nearest package.json.
function packageIsModule(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    try {
      return parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error instanceof SyntaxError) throw error;
    }
    if (folder === path.dirname(folder) || path.basename(folder) === 'node_modules') return false;
  }
}

async function loadModule(root, moduleRoot, moduleName) {
  const base = path.resolve(root, moduleRoot, moduleName);
  try {
    for (const extension of ['', '.js', '.mjs', '.cjs']) {
      const file = base + extension;
      if (!fs.existsSync(file) || !fs.statSync(file).isFile()) continue;
      const isModule = extension === '.mjs' || file.endsWith('.mjs') || (!file.endsWith('.cjs') && extension !== '' && packageIsModule(file));
      hookImports(isModule);
      if (isModule) return await import(require('url').pathToFileURL(file).href);
      try {
        return require(file);
      } catch (error) {
        if (error.code === 'ERR_REQUIRE_ESM' && packageIsModule(file)) return await import(file);
        throw error;
      }
    }
    hookImports(false);
    return require(require.resolve(moduleName, { paths: [root, path.join(root, moduleRoot)] }));
  } catch (error) {
    if (error instanceof SyntaxError) {
      const wrapped = new RuntimeError('Runtime.UserCodeSyntaxError', String(error));
      wrapped.stack = error.stack;
      throw wrapped;
    }
    if (error && error.code === 'MODULE_NOT_FOUND') throw new RuntimeError('Runtime.ImportModuleError', String(error));
    throw error;
  }
}

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

async function loadHandler(root, name) {
  if (name.includes('..')) {
    throw new RuntimeError(
      'Runtime.MalformedHandlerName',
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const last = path.basename(name);
  const match = last.match(/^([^.]*)\.(.*)$/);
  if (!match) throw new RuntimeError('Runtime.MalformedHandlerName', 'Bad handler');
  const moduleRoot = name.substring(0, name.indexOf(last)).replace(/\/$/, '');
  const loaded = await loadModule(root, moduleRoot, match[1]);
  const find = (from) => match[2].split('.').reduce((o, key) => (o && (typeof o === 'object' || typeof o === 'function') ? o[key] : undefined), from);
  const handler = find(loaded) || (loaded && typeof loaded === 'object' && 'default' in loaded ? find(loaded.default) : undefined);
  if (!handler) throw new RuntimeError('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw new RuntimeError('Runtime.HandlerNotFound', `${name} is not a function`);
  if (handler[STREAMING] && handler[STREAMING] !== 'response') {
    throw new RuntimeError('Runtime.MalformedStreamingHandler', 'Only response streaming is supported.');
  }
  if (!CALLBACKS && handler.length >= 3 && !handler[STREAMING]) {
    throw new RuntimeError(
      'Runtime.CallbackHandlerDeprecated',
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later. For more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.',
    );
  }
  return handler;
}

// ---------------------------------------------------------------------------------------------------- response streams

// A stream handler's answer is gathered and sent when the stream ends.
function makeResponseStream(finish) {
  const { Writable } = require('stream');
  const chunks = [];
  let started = false;
  const stream = new Writable({
    decodeStrings: true,
    write(chunk, _encoding, done) {
      if (!started && stream._onBeforeFirstWrite) stream._onBeforeFirstWrite((b) => chunks.push(Buffer.from(b)));
      started = true;
      chunks.push(Buffer.from(chunk));
      done();
    },
    final(done) {
      if (!started && stream._onBeforeFirstWrite) stream._onBeforeFirstWrite((b) => chunks.push(Buffer.from(b)));
      started = true;
      done();
      finish(Buffer.concat(chunks), stream.contentType);
    },
  });
  const write = stream.write.bind(stream);
  stream.write = (chunk, ...rest) =>
    write(typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : stringify(chunk), ...rest);
  stream.contentType = 'application/octet-stream';
  stream.setContentType = (type) => {
    if (started) throw new RuntimeError('Runtime.InvalidStreamingOperation', 'Cannot set content-type, too late.');
    stream.contentType = String(type).replace(/[\r\n]/g, ' ');
  };
  return stream;
}

function installGlobals() {
  globalThis.awslambda = {
    ...globalThis.awslambda,
    streamifyResponse(handler, _options) {
      handler[STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream: class HttpResponseStream {
      static from(stream, prelude) {
        stream.setContentType('application/vnd.awslambda.http-integration-response');
        const head = stringify(prelude);
        stream._onBeforeFirstWrite = (write) => {
          write(head);
          write(new Uint8Array(8));
        };
        return stream;
      }
    },
  };
}

// --------------------------------------------------------------------------------------------------------- invocations

let handler;
let initialised = false;
let current = null; // the invocation being served
let whenLoopIsEmpty = null;

function finishInvocation(invocation, send) {
  if (invocation.over) return;
  invocation.over = true;
  whenLoopIsEmpty = null;
  current = null;
  socket.ref();
  send();
}

function succeed(invocation, result) {
  if (invocation.over) return;
  let body;
  try {
    body = stringify(result === undefined ? null : result);
    if (body === undefined) body = 'null';
  } catch {
    return fail(invocation, new RuntimeError('Runtime.JSONStringifyError', 'Unable to stringify response body'));
  }
  finishInvocation(invocation, () => post(`${API}invocation/${invocation.id}/response`, body, '', NEXT));
}

function fail(invocation, error) {
  if (invocation.over) return;
  logFailure('Invoke Error', error);
  finishInvocation(invocation, () => postError(`${API}invocation/${invocation.id}/error`, error, NEXT));
}

function makeContext(headers, invocation) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const context = {
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: undefined,
    identity: undefined,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: invocation.id,
    getRemainingTimeInMillis: () => deadline - now(),
  };
  const client = headers['lambda-runtime-client-context'];
  if (client) context.clientContext = parse(Buffer.from(client, 'latin1').toString('utf8'));
  const identity = headers['lambda-runtime-cognito-identity'];
  if (identity) context.identity = parse(Buffer.from(identity, 'latin1').toString('utf8'));
  return context;
}

// callback(), context.done/succeed/fail: the answer leaves when the event loop is empty, or at once where the function has
// set callbackWaitsForEmptyEventLoop to false.
function addCallbacks(context, invocation) {
  let waits = true;
  Object.defineProperty(context, 'callbackWaitsForEmptyEventLoop', {
    enumerable: true,
    configurable: true,
    get: () => waits,
    set: (value) => {
      waits = value;
    },
  });
  let called = false;
  const callback = (error, result) => {
    if (called) return;
    called = true;
    if (error !== undefined && error !== null) return fail(invocation, error);
    if (waits) whenLoopIsEmpty = () => succeed(invocation, result);
    else succeed(invocation, result);
  };
  const done = (error, result) => {
    called = true;
    if (error !== undefined && error !== null) fail(invocation, error);
    else succeed(invocation, result);
  };
  context.done = done;
  context.succeed = (result) => done(null, result);
  context.fail = (error) => done(error === undefined || error === null ? 'handled' : error);
  return callback;
}

function isPromise(value) {
  return value !== null && typeof value === 'object' && typeof value.then === 'function';
}

function runStreaming(invocation, event, context) {
  let ended = false;
  const stream = makeResponseStream((bytes, contentType) => {
    ended = true;
    finishInvocation(invocation, () =>
      post(
        `${API}invocation/${invocation.id}/response`,
        bytes,
        `Lambda-Runtime-Function-Response-Mode: streaming\r\nSavia-Content-Type: ${contentType}\r\n`,
        NEXT,
      ),
    );
  });
  stream.on('error', (error) => fail(invocation, error));
  const result = handler(event, stream, context);
  if (!isPromise(result)) throw new Error('Streaming does not support non-async handlers.');
  result.then(
    () => {
      // end() finishes on a later turn; a stream that nobody ended is an error, as on AWS.
      if (!ended && !stream.writableEnded) whenLoopIsEmpty = () => fail(invocation, new Error('Response stream is not finished.'));
    },
    (error) => fail(invocation, error),
  );
}

function invoke(headers, body) {
  const invocation = { id: headers['lambda-runtime-aws-request-id'], over: false };
  current = invocation;
  requestId = invocation.id;
  const trace = headers['lambda-runtime-trace-id'];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else if (process.env._X_AMZN_TRACE_ID !== undefined) delete process.env._X_AMZN_TRACE_ID;
  socket.unref(); // what the function started is now all that keeps the process alive
  try {
    const event = body === '' ? {} : parse(body);
    const context = makeContext(headers, invocation);
    if (handler[STREAMING]) return runStreaming(invocation, event, context);
    if (!CALLBACKS) {
      const result = handler(event, context);
      if (isPromise(result)) {
        result.then(
          (value) => succeed(invocation, value),
          (error) => fail(invocation, error),
        );
      } else {
        succeed(invocation, result);
      }
      return;
    }
    const callback = addCallbacks(context, invocation);
    if (handler.constructor.name !== 'AsyncFunction') whenLoopIsEmpty = () => succeed(invocation, null);
    const result = handler(event, context, callback);
    if (isPromise(result)) {
      result.then(
        (value) => succeed(invocation, value),
        (error) => fail(invocation, error),
      );
    }
  } catch (error) {
    fail(invocation, error);
  }
}

// ----------------------------------------------------------------------------------------------------------------- start

async function initialise() {
  patchConsole();
  installLastResorts();
  installGlobals();
  onAnswer = invoke;
  try {
    handler = await loadHandler(process.env.LAMBDA_TASK_ROOT || '/var/task', process.env._HANDLER || '');
  } catch (error) {
    logFailure(CALLBACKS ? 'Uncaught Exception' : 'Init Error', error);
    postError(`${API}init/error`, error, '', () => exit(1));
    return;
  }
  initialised = true;
  socket.write(NEXT);
}

// What web functions load first. Their built-in modules cost a fifth of an Express function's start.
function preload() {
  for (const name of ['assert', 'async_hooks', 'buffer', 'child_process', 'crypto', 'diagnostics_channel', 'dns', 'events', 'http',
    'http2', 'https', 'os', 'perf_hooks', 'querystring', 'stream', 'stream/promises', 'string_decoder', 'timers/promises', 'tls',
    'tty', 'url', 'worker_threads', 'zlib']) {
    require(name);
  }
  const http = require('http');
  const request = new http.IncomingMessage(new net.Socket());
  new http.ServerResponse(request).setHeader('a', 'b');
  require('crypto').createHash('sha1').update('a').digest('base64');
  new URL('http://localhost/');
  void globalThis.AbortController;
  void globalThis.TextDecoder;
  require('/var/runtime/warm.cjs');
}

function adopt(_headers, body) {
  const { env } = parse(body);
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  for (const name of Object.keys(env)) process.env[name] = env[name];
  Module._initPaths(); // NODE_PATH is read once, at start
  process.chdir(env.LAMBDA_TASK_ROOT || '/var/task');
  process.argv.splice(2);
  nextTick(initialise);
}

function main() {
  connect();
  if (process.argv[2] === '--pool') {
    onAnswer = adopt;
    preload();
    socket.write('GET /savia/adopt HTTP/1.1\r\nHost: runtime\r\n\r\n');
  } else {
    initialise();
  }
}

main();
