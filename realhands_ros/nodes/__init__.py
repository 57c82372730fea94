"""ROS 2 nodes, one thin node per stage, and the conversion of messages to dataclasses."""
