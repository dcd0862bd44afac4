'use strict';

const { createApp, createHandler, requireEnv } = require('multi-commons');

const stage = requireEnv('STAGE');

const app = createApp((router) => {
  router.get('/', (_req, res) => res.json({ service: 'multi-recipes', stage }));
  require('./routes/recipes')(router);
});

module.exports = { app, handler: createHandler(app) };
