"""The Lambda function: exactly this folder and bcrypt go into its zip."""
