"""Pascal VOC: finding its folders, and reading an XML file per image."""
