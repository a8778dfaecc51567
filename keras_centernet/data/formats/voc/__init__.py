"""Pascal VOC: `finding` finds its folders, `reading` reads one XML file per image."""
