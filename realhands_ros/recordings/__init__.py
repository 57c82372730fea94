"""rosbag2 recordings, whole or damaged, in and out, without ROS."""
