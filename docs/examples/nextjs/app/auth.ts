import { getServerSession, type NextAuthOptions } from "next-auth";

/** Makes the sessions that the API reads: encrypted cookies with the user's number in them. */
export const authOptions: NextAuthOptions = {
  providers: [], // your dashboard's
  session: { strategy: "jwt" },
  callbacks: {
    jwt: ({ token, user }) => (user ? { ...token, userId: Number(user.id) } : token),
    session: ({ session, token }) => ({ ...session, userId: token.userId }),
  },
};

/** Finds who is signed in, by the cookie that the API reads, too. */
export async function signedInUser(): Promise<number | undefined> {
  return (await getServerSession(authOptions))?.userId;
}
