"""Training a head on the features of a frozen encoder (`--recipe transfer`).

`encoding` puts images through an encoder; `store` keeps what comes out, by the content of the images;
`kept_features` and `loader` hand it to the training loop in the place of images; `head` is the network that is
trained. `encoded_views` lets images in where a run predicts.
"""
