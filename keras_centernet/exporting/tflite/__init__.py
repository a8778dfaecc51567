"""TFLite files: conversion, decoding in the graph, metadata, and running them."""
