"""KITTI: `finding` and `reading` of its folders, the meaning of its types (`kinds`), and its text files (`labels`)."""
