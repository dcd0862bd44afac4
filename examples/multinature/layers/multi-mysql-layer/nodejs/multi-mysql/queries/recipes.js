'use strict';

const recipes = require('../data/recipes.json');

const summary = ({ id, slug, title, category, minutes, servings }) => ({ id, slug, title, category, minutes, servings });

module.exports = {
  // SELECT … FROM recipes WHERE (:category IS NULL OR category = :category) ORDER BY id LIMIT :limit OFFSET :offset
  'recipes.list': ({ category = null, limit = 20, offset = 0 }) =>
    recipes.filter((r) => !category || r.category === category).slice(offset, offset + limit).map(summary),

  'recipes.count': ({ category = null }) => recipes.filter((r) => !category || r.category === category).length,

  'recipes.byId': ({ id }) => recipes.find((r) => r.id === Number(id)) ?? null,

  'recipes.search': ({ text, limit = 20 }) => {
    const wanted = text.toLocaleLowerCase('es');
    return recipes
      .filter((r) => r.title.toLocaleLowerCase('es').includes(wanted) || r.ingredients.some((i) => i.name.includes(wanted)))
      .slice(0, limit)
      .map(summary);
  },
};
