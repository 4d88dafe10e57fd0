"""What each command does with its options, by what people want: to start, to train, to score, to look."""
