// Builds the product list, as shops do: nothing of it is in the HTML that the server sends.
"use strict";
(async () => {
  const assets = document.currentScript?.dataset.assets ?? document.querySelector("script[data-assets]").dataset.assets;
  const reply = await fetch("/products.json");
  const products = await reply.json();
  const list = document.getElementById("products");
  list.replaceChildren(...products.map((product) => {
    const item = document.createElement("li");
    const image = new Image(240, 240);
    image.loading = "lazy";
    image.alt = product.zh;
    image.src = `${assets}/${product.image}`;
    const name = document.createElement("h3");
    name.textContent = product.zh;
    const english = document.createElement("p");
    english.lang = "en";
    english.textContent = product.en;
    const price = document.createElement("p");
    price.className = "price";
    price.textContent = `¥ ${product.price.toFixed(2)} · 月销 ${product.sold} sold`;
    item.append(image, name, english, price);
    return item;
  }));
  document.getElementById("built").textContent = `共 ${products.length} 件商品 · ${products.length} products`;
})();
