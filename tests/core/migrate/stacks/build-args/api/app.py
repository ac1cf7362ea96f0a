app = "the app"
