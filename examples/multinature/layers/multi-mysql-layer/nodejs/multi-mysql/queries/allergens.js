'use strict';

const recipes = require('../data/recipes.json');

module.exports = {
  // Alérgenos de una receta, sin repetir y en orden alfabético.
  'allergens.byRecipe': ({ id }) => {
    const recipe = recipes.find((r) => r.id === Number(id));
    return recipe ? [...new Set(recipe.ingredients.flatMap((i) => i.allergens ?? []))].sort() : [];
  },
};
