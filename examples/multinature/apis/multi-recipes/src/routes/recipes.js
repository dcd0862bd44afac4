'use strict';

const slugify = require('slugify');
const { query } = require('multi-mysql');
const { NotFoundError, ValidationError } = require('multi-commons');
const { perServing } = require('../nutrition');

async function findRecipe(id) {
  const recipe = await query('recipes.byId', { id });
  if (!recipe) throw new NotFoundError(`No existe la receta ${id}`);
  return recipe;
}

module.exports = (router) => {
  router.get('/recipes/:id', async (req, res) => {
    const recipe = await findRecipe(req.params.id);
    const allergens = await query('allergens.byRecipe', { id: recipe.id });
    res.json({ ...recipe, allergens, nutrition: perServing(recipe) });
  });

  // Vista previa de una receta nueva: valida y calcula, todavía no guarda.
  router.post('/recipes/preview', async (req, res) => {
    const { title, servings, ingredients } = req.body ?? {};
    if (typeof title !== 'string' || title.trim() === '') throw new ValidationError('title es obligatorio');
    if (!Number.isInteger(servings) || servings < 1) throw new ValidationError('servings debe ser un entero mayor a 0');
    if (!Array.isArray(ingredients) || ingredients.length === 0) throw new ValidationError('ingredients no puede estar vacío');
    res.status(201).json({ slug: slugify(title, { lower: true, strict: true }), nutrition: perServing({ servings, ingredients }) });
  });
};
