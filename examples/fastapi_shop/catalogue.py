"""What the shop sells."""

from pydantic import BaseModel


class Product(BaseModel):
    """Something to buy."""

    slug: str
    name: str
    price: float


PRODUCTS = {
    product.slug: product
    for product in (
        Product(slug="lamp", name="Nightjar lamp", price=89.0),
        Product(slug="candle", name="Wren candle", price=12.5),
        Product(slug="torch", name="Swift torch", price=39.0),
        Product(slug="shade", name="Linen shade", price=24.0),
        Product(slug="bulb", name="Warm bulb", price=6.9),
        Product(slug="stand", name="Book stand", price=18.0),
    )
}
