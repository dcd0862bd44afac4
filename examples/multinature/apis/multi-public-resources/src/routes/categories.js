'use strict';

const { query } = require('multi-mysql');

module.exports = (router) => {
  router.get('/categories', async (_req, res) => res.json({ items: await query('categories.list') }));
};
