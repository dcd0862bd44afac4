import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APIGatewayClient, CreateDeploymentCommand, CreateResourceCommand, CreateRestApiCommand, GetResourcesCommand, PutIntegrationCommand, PutMethodCommand } from '@aws-sdk/client-api-gateway';
import { ApiGatewayV2Client, CreateApiCommand, DeleteApiCommand, GetApiCommand } from '@aws-sdk/client-apigatewayv2';
import { CloudWatchLogsClient, CreateLogGroupCommand, CreateLogStreamCommand, FilterLogEventsCommand, GetLogEventsCommand, PutLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateFunctionCommand, LambdaClient, waitUntilFunctionActiveV2 } from '@aws-sdk/client-lambda';
import { startSavia, zip } from './savia.mjs';

let savia;
const arn = 'arn:aws:lambda:us-east-1:000000000000:function:echo';

before(async () => {
  savia = await startSavia();
  const lambda = new LambdaClient(savia.config);
  await lambda.send(new CreateFunctionCommand({ FunctionName: 'echo', Runtime: 'nodejs22.x', Role: 'arn:aws:iam::000000000000:role/r', Handler: 'index.handler', Code: { ZipFile: zip({ 'index.js': "exports.handler = async (e) => { console.log('asked ' + (e.rawPath ?? e.path)); return { statusCode: 200, body: JSON.stringify(e) }; };" }) } }));
  await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { FunctionName: 'echo' });
});
after(() => savia.stop());

test('a REST API', async () => {
  const v1 = new APIGatewayClient(savia.config);
  const api = await v1.send(new CreateRestApiCommand({ name: 'rest' }));
  const root = (await v1.send(new GetResourcesCommand({ restApiId: api.id }))).items[0].id;
  const proxy = await v1.send(new CreateResourceCommand({ restApiId: api.id, parentId: root, pathPart: '{proxy+}' }));
  const key = { restApiId: api.id, resourceId: proxy.id, httpMethod: 'ANY' };
  await v1.send(new PutMethodCommand({ ...key, authorizationType: 'NONE' }));
  await v1.send(new PutIntegrationCommand({ ...key, type: 'AWS_PROXY', integrationHttpMethod: 'POST', uri: `arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${arn}/invocations` }));
  await v1.send(new CreateDeploymentCommand({ restApiId: api.id, stageName: 'dev' }));
  const r = await savia.edge(api.id, '/dev/a/b?x=1', { method: 'POST', body: 'hola' });
  const event = await r.json();
  assert.deepEqual([r.status, event.path, event.body, event.queryStringParameters], [200, '/a/b', 'hola', { x: '1' }]);
});

test('an HTTP API by quick create', async () => {
  const v2 = new ApiGatewayV2Client(savia.config);
  const api = await v2.send(new CreateApiCommand({ Name: 'http', ProtocolType: 'HTTP', Target: arn }));
  assert.ok(api.CreatedDate instanceof Date);
  const r = await savia.edge(api.ApiId, '/$default/x');
  assert.equal(r.status, 200);
  assert.equal((await r.json()).version, '2.0');
  await v2.send(new DeleteApiCommand({ ApiId: api.ApiId }));
  await assert.rejects(v2.send(new GetApiCommand({ ApiId: api.ApiId })), { name: 'NotFoundException' });
});

test('logs', async () => {
  const logs = new CloudWatchLogsClient(savia.config);
  await logs.send(new CreateLogGroupCommand({ logGroupName: 'g' }));
  await logs.send(new CreateLogStreamCommand({ logGroupName: 'g', logStreamName: 's' }));
  const now = Date.now();
  await logs.send(new PutLogEventsCommand({ logGroupName: 'g', logStreamName: 's', logEvents: [{ timestamp: now - 1, message: 'uno' }, { timestamp: now, message: 'dos ERROR' }] }));
  const got = await logs.send(new GetLogEventsCommand({ logGroupName: 'g', logStreamName: 's', startFromHead: true }));
  assert.deepEqual(got.events.map((e) => e.message), ['uno', 'dos ERROR']);
  const filtered = await logs.send(new FilterLogEventsCommand({ logGroupName: 'g', filterPattern: 'ERROR' }));
  assert.deepEqual(filtered.events.map((e) => e.message), ['dos ERROR']);
});
