'use strict';

const decimals = Number(process.env.NUTRITION_ROUNDING ?? 0);

const round = (value) => Number(value.toFixed(decimals));

/** Calorías y gramos por porción. */
function perServing({ servings, ingredients }) {
  const sum = (field) => ingredients.reduce((total, ingredient) => total + (ingredient[field] ?? 0), 0);
  return { kcal: round(sum('kcal') / servings), grams: round(sum('grams') / servings) };
}

module.exports = { perServing };
