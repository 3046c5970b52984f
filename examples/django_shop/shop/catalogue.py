"""What the shop sells."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """Something to buy."""

    slug: str
    name: str
    price: float


PRODUCTS = {
    product.slug: product
    for product in (
        Product("kettle", "Kettle", 39.0),
        Product("teapot", "Teapot", 24.5),
        Product("cup", "Cup", 7.9),
        Product("tray", "Tray", 18.0),
        Product("tin", "Tea tin", 12.0),
        Product("spoon", "Tea spoon", 4.5),
    )
}
