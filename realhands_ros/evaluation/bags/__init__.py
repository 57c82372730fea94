"""Reading of rosbag2 recordings of a ZED, whole or damaged, without ROS."""
