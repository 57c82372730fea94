"""ROS messages to arrays and back, and what topics are called; nothing here needs rclpy."""
