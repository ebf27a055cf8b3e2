"""`make soak`: people come, chat and go for half an hour; what does that leave in the services?"""
