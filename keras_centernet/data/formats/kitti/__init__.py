"""KITTI: finding and reading its folders, what its types mean, and its text files."""
