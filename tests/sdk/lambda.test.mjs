import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CreateFunctionCommand, DeleteFunctionCommand, GetFunctionCommand, InvokeCommand, LambdaClient, PublishLayerVersionCommand, UpdateFunctionCodeCommand, UpdateFunctionConfigurationCommand, paginateListFunctions, waitUntilFunctionActiveV2, waitUntilFunctionUpdatedV2 } from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { startSavia, zip } from './savia.mjs';

let savia;
let lambda;
const role = 'arn:aws:iam::000000000000:role/r';
const wait = { client: undefined, maxWaitTime: 20, minDelay: 1, maxDelay: 1 };

before(async () => {
  savia = await startSavia();
  lambda = new LambdaClient(savia.config);
  wait.client = lambda;
});
after(() => savia.stop());

const create = async (FunctionName, code, more = {}) => {
  await lambda.send(new CreateFunctionCommand({ FunctionName, Runtime: 'nodejs22.x', Role: role, Handler: 'index.handler', Code: { ZipFile: zip({ 'index.js': code }) }, ...more }));
  await waitUntilFunctionActiveV2(wait, { FunctionName });
};
const invoke = async (FunctionName, payload = {}) => {
  const r = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload) }));
  return { ...r, body: JSON.parse(Buffer.from(r.Payload).toString() || 'null') };
};

test('who am I', async () => {
  const who = await new STSClient(savia.config).send(new GetCallerIdentityCommand({}));
  assert.equal(who.Account, '000000000000');
  assert.equal(who.Arn, 'arn:aws:iam::000000000000:root');
});

test('a function from creation to deletion', async () => {
  await create('f', 'exports.handler = async (e) => ({ got: e });');
  assert.deepEqual((await invoke('f', { ñ: 1 })).body, { got: { ñ: 1 } });
  await lambda.send(new UpdateFunctionCodeCommand({ FunctionName: 'f', ZipFile: zip({ 'index.js': "exports.handler = async () => 'new';" }) }));
  await waitUntilFunctionUpdatedV2(wait, { FunctionName: 'f' });
  assert.equal((await invoke('f')).body, 'new');
  await lambda.send(new DeleteFunctionCommand({ FunctionName: 'f' }));
  await assert.rejects(lambda.send(new GetFunctionCommand({ FunctionName: 'f' })), { name: 'ResourceNotFoundException' });
});

test('two layers', async () => {
  const layer = async (name) => (await lambda.send(new PublishLayerVersionCommand({ LayerName: name, Content: { ZipFile: zip({ [`nodejs/node_modules/${name}/index.js`]: `module.exports = '${name}';` }) } }))).LayerVersionArn;
  const layers = [await layer('multi-mysql-layer'), await layer('multi-commons-layer')];
  await create('layered', "exports.handler = async () => [require('multi-mysql-layer'), require('multi-commons-layer')];", { Layers: layers });
  assert.deepEqual((await invoke('layered')).body, ['multi-mysql-layer', 'multi-commons-layer']);
  await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: 'layered', Layers: layers.slice(0, 1) }));
  await waitUntilFunctionUpdatedV2(wait, { FunctionName: 'layered' });
  assert.equal((await invoke('layered')).FunctionError, 'Unhandled');
});

test('errors keep their shape', async () => {
  await create('bad', "exports.handler = async () => { throw new RangeError('no'); };");
  const r = await invoke('bad');
  assert.equal(r.FunctionError, 'Unhandled');
  assert.equal(r.body.errorType, 'RangeError');
  await assert.rejects(create('bad', 'x'), (e) => e.name === 'ResourceConflictException' && e.$metadata.httpStatusCode === 409 && Boolean(e.$metadata.requestId));
  await assert.rejects(lambda.send(new InvokeCommand({ FunctionName: 'none' })), { name: 'ResourceNotFoundException' });
});

test('a wrong secret is refused', async () => {
  const wrong = new LambdaClient({ ...savia.config, credentials: { accessKeyId: 'test', secretAccessKey: 'nope' } });
  await assert.rejects(wrong.send(new GetFunctionCommand({ FunctionName: 'x' })), { name: 'InvalidSignatureException' });
  const unknown = new LambdaClient({ ...savia.config, credentials: { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'x' } });
  await assert.rejects(unknown.send(new GetFunctionCommand({ FunctionName: 'x' })), { name: 'UnrecognizedClientException' });
});

test('pages', async () => {
  for (let i = 0; i < 5; i++) await create(`page-${i}`, 'exports.handler = async () => 1;');
  const names = [];
  for await (const page of paginateListFunctions({ client: lambda, pageSize: 2 }, {})) {
    assert.ok(page.Functions.length <= 2);
    names.push(...page.Functions.map((f) => f.FunctionName));
  }
  for (let i = 0; i < 5; i++) assert.ok(names.includes(`page-${i}`));
});
