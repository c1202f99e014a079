"""Evidence about raw labels: how many are wrong, which classes are mixed up, which photos are suspicious.

Everything is estimated from raw labels and from what networks said of photos that they were not trained on. No
function here takes a clean or test label, the package cannot import what opens one, and no label is changed.
"""
