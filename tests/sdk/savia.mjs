// A server of its own for a test file, as tests/harness.py does for Python.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync, crc32 } from 'node:zlib';

const root = path.resolve(import.meta.dirname, '../..');

const freePort = () => new Promise((done) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

export async function startSavia(...flags) {
  const data = mkdtempSync(path.join(tmpdir(), 'savia-sdk-'));
  const [port, edgePort] = [await freePort(), await freePort()];
  const child = spawn(process.env.SAVIA_BINARY ?? path.join(root, 'build/savia'),
    ['serve', '--data', data, '--listen', `127.0.0.1:${port}`, '--edge', `127.0.0.1:${edgePort}`, '--runtimes', path.join(root, '.cache/runtimes'), ...flags],
    { stdio: ['ignore', 'ignore', 'inherit'] });
  const endpoint = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    try {
      if ((await fetch(`${endpoint}/_savia/health`)).ok) break;
    } catch (e) {
      if (i > 1000) throw e;
    }
    await new Promise((r) => setTimeout(r, 10));
  }
  const config = { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' }, maxAttempts: 1 };
  return {
    endpoint, edgePort, config,
    edge: (apiId, target, init) => fetch(`http://127.0.0.1:${edgePort}/_aws/execute-api/${apiId}${target}`, init),
    stop: () => new Promise((done) => {
      child.on('exit', () => { rmSync(data, { recursive: true, force: true }); done(); });
      child.kill('SIGTERM');
    }),
  };
}

// A zip of {name: text}.
export function zip(files) {
  const parts = [];
  const central = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const raw = Buffer.from(text);
    const data = deflateRawSync(raw);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0); local.writeUInt16LE(20, 4); local.writeUInt16LE(8, 8); local.writeUInt16LE(0x21, 12);
    local.writeUInt32LE(crc32(raw), 14); local.writeUInt32LE(data.length, 18); local.writeUInt32LE(raw.length, 22); local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0); entry.writeUInt16LE(0x031e, 4); local.copy(entry, 6, 4, 30); entry.writeUInt32LE((0o644 << 16) >>> 0, 38); entry.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name), data);
    central.push(entry, Buffer.from(name));
    offset += 30 + name.length + data.length;
  }
  const size = central.reduce((n, b) => n + b.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0); end.writeUInt16LE(central.length / 2, 8); end.writeUInt16LE(central.length / 2, 10);
  end.writeUInt32LE(size, 12); end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...central, end]);
}
