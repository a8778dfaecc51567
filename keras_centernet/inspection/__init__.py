"""What is in a data set, and what looks wrong in it: a table for the terminal and a page for the browser."""

from keras_centernet.inspection.inspection import Inspection, inspect
