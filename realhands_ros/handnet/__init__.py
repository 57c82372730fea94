"""The network: image and keypoints in; hand parameters, camera and silhouette out."""
