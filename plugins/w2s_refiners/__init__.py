"""What is done to labels between a teacher and a student, and the supervisor made of students."""
