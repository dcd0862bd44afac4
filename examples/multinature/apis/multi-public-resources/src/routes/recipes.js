'use strict';

const dayjs = require('dayjs');
const { query } = require('multi-mysql');
const { ValidationError } = require('multi-commons');

const kMaxLimit = 100;

// Página pedida por el cliente: ?limit=20&offset=0
function page(req) {
  const limit = Number(req.query.limit ?? 20);
  const offset = Number(req.query.offset ?? 0);
  if (!Number.isInteger(limit) || limit < 1 || limit > kMaxLimit) {
    throw new ValidationError(`limit debe ser un entero entre 1 y ${kMaxLimit}`, { limit: req.query.limit });
  }
  if (!Number.isInteger(offset) || offset < 0) throw new ValidationError('offset debe ser un entero mayor o igual a 0');
  return { limit, offset };
}

module.exports = (router) => {
  router.get('/recipes', async (req, res) => {
    const { category = null, q } = req.query;
    const { limit, offset } = page(req);
    const items = q ? await query('recipes.search', { text: q, limit }) : await query('recipes.list', { category, limit, offset });
    res.json({
      items,
      total: q ? items.length : await query('recipes.count', { category }),
      generatedAt: dayjs().format('YYYY-MM-DD'),
    });
  });
};
