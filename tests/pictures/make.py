"""Makes the test pictures; README.md describes them."""

from pathlib import Path

import matplotlib
import skimage
from PIL import Image, ImageEnhance, ImageOps

HERE = Path(__file__).parent
collins = Image.open(Path(skimage.__file__).parent / "data/astronaut.png").convert("RGB")
hopper = Image.open(Path(matplotlib.__file__).parent / "mpl-data/sample_data/grace_hopper.jpg").convert("RGB")

collins.save(HERE / "collins.jpg", quality=85)
hopper.save(HERE / "hopper.jpg", quality=85)
collins.resize((256, 256)).save(HERE / "progressive.jpg", quality=80, progressive=True)
collins.resize((256, 256)).convert("CMYK").save(HERE / "cmyk.jpg", quality=80)

dim = ImageOps.mirror(collins.crop((90, 0, 390, 330))).resize((210, 231), Image.Resampling.LANCZOS)
ImageEnhance.Brightness(dim).enhance(0.55).quantize(64).save(HERE / "collins_dim.png", optimize=True)

face = collins.crop((130, 20, 330, 260))
other = hopper.crop((110, 50, 410, 410)).resize((160, 192), Image.Resampling.LANCZOS)
both = Image.new("RGB", (500, 300), (90, 110, 130))
both.paste(face, (30, 30))
both.paste(other, (290, 40))
both.save(HERE / "both.jpg", quality=85)

background = Image.new("RGB", (500, 300), (90, 110, 130))
background.paste(face, (150, 40))
background.paste(other.resize((60, 72)), (390, 20))
background.save(HERE / "background.jpg", quality=85)

cat = Image.open(Path(skimage.__file__).parent / "data/chelsea.png").convert("RGB")
cat.save(HERE / "cat.jpg", quality=85)

rows = [(60 + y // 2, 110 + y // 3, 200 - y // 2) if y < 130 else (40, 120 - y // 4, 30) for y in range(200)]
nobody = Image.new("RGB", (300, 200))
nobody.putdata([row for row in rows for _ in range(300)])
nobody.save(HERE / "nobody.png", optimize=True)
