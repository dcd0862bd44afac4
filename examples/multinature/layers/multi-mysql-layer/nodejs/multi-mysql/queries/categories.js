'use strict';

const categories = require('../data/categories.json');

module.exports = {
  'categories.list': () => categories,
};
